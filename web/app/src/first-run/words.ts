//! Words of set-up and joining in English and Chinese. A missing translation does not compile.

import { useCallback } from "react";
import { useLanguage } from "../hooks.js";
import type { Language, Places } from "../words.js";

/** Texts by name, English first. */
export type Dictionary = Readonly<Record<string, readonly [en: string, zh: string]>>;

/** A text of a dictionary in a language, with its places filled. */
export function sayFrom<D extends Dictionary>(dictionary: D, language: Language, word: keyof D & string, places: Places = {}): string {
  const text = dictionary[word]?.[language === "zh" ? 1 : 0] ?? word;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(places[name] ?? whole));
}

export const firstWords = {
  setupTitle: ["Set up your server", "设置你的服务器"],
  setupHint: ["Name your organisation and make the first administrator. Then you are ready to chat.", "为你的组织命名，并创建首位管理员，即可开始聊天。"],
  organisation: ["Organisation", "组织名称"],
  organisationExample: ["For example: Northwind Ltd", "例如：北风科技"],
  yourAccount: ["Your administrator account", "你的管理员账号"],
  loginName: ["Login name", "登录名"],
  loginHint: ["You sign in with it. Others find you by it.", "用于登录，他人也可通过它找到你。"],
  displayName: ["Your name", "姓名"],
  displayHint: ["As others see it.", "将显示给其他人。"],
  password: ["Password", "密码"],
  newPassword: ["New password", "新密码"],
  showPassword: ["Show password", "显示密码"],
  create: ["Create organisation", "创建组织"],
  creating: ["Creating…", "正在创建…"],
  strength0: ["At least 10 characters", "至少 10 个字符"],
  strengthLeft: ["{n} more characters", "还需 {n} 个字符"],
  strengthLeftOne: ["1 more character", "还需 1 个字符"],
  strength1: ["Easy to guess: add words or signs", "容易被猜到，请增加词语或符号"],
  strength2: ["Fair", "一般"],
  strength3: ["Good", "良好"],
  strength4: ["Strong", "很强"],
  nameMissing: ["This is needed.", "此项为必填。"],
  nameControl: ["This holds a sign that cannot be used.", "包含不可用的字符。"],
  nameLong: ["This is too long.", "内容过长。"],
  loginSpaces: ["A login name has no spaces.", "登录名不能包含空格。"],
  passwordShort: ["At least 10 characters are needed.", "密码至少需要 10 个字符。"],
  inviteTitle: ["{organisation} is ready", "{organisation} 已就绪"],
  inviteHint: ["Invite your colleagues: send them this link, or let them scan the picture.", "邀请同事：将此链接发给他们，或让他们扫描二维码。"],
  inviteValid: ["For up to {uses} people, until {time}.", "最多可供 {uses} 人使用，有效期至 {time}。"],
  inviteFailed: ["The invitation could not be made.", "无法创建邀请。"],
  link: ["Link", "链接"],
  copyLink: ["Copy link", "复制链接"],
  shareLink: ["Share", "分享"],
  copied: ["Copied", "已复制"],
  copyFailed: ["Select the link and copy it.", "请选中链接并复制。"],
  qrOf: ["QR code of the link", "链接的二维码"],
  onlyHere: ["This address works on this computer only. Open Tenon by the server's network address to make links for others.", "此地址仅在本机可用。请通过服务器的网络地址打开 Tenon，再为他人创建链接。"],
  toChat: ["Start chatting", "开始聊天"],
  toAdmin: ["Administration", "管理后台"],
  toSignIn: ["Go to sign-in", "前往登录"],
  toApp: ["Open Tenon", "打开 Tenon"],
  retry: ["Try again", "重试"],
  loading: ["One moment…", "请稍候…"],
  setupNotNeeded: ["This server is already set up", "此服务器已完成设置"],
  setupNotNeededHint: ["It belongs to {organisation}. Ask an administrator for an invitation, or sign in.", "它属于 {organisation}。请向管理员索取邀请，或直接登录。"],
  setupNoToken: ["The link is needed", "需要设置链接"],
  setupNoTokenHint: ["Open the whole link that the server printed when it started. It ends with a long code behind “#”.", "请打开服务器启动时显示的完整链接，其末尾“#”之后是一长串代码。"],
  setupExpired: ["This link no longer works", "此链接已失效"],
  setupExpiredHint: ["It lives for 30 minutes, and only the newest one works. Start the server again: it prints a new one.", "设置链接的有效期为 30 分钟，且仅最新的链接有效。请重新启动服务器以获取新链接。"],
  setupUsed: ["This link was used", "此链接已被使用"],
  setupUsedHint: ["Somebody has set up this server with it. If that was you, sign in.", "已有人使用此链接完成设置。如果是你本人，请登录。"],
  joinTitle: ["Join {organisation}", "加入 {organisation}"],
  joinHint: ["{name} invites you.", "{name} 邀请你加入。"],
  joinHintNobody: ["You are invited.", "你已受邀加入。"],
  joinAdmin: ["You become an administrator.", "你将成为管理员。"],
  joinUntil: ["This link is valid until {time}.", "此链接有效期至 {time}。"],
  join: ["Join", "加入"],
  joining: ["Joining…", "正在加入…"],
  joinNoToken: ["This link is not whole", "链接不完整"],
  joinNoTokenHint: ["Copy the whole link: it ends with a long code behind “#”.", "请复制完整链接，其末尾“#”之后是一长串代码。"],
  joinExpired: ["This link no longer works", "此链接已失效"],
  joinExpiredHint: ["It is too old, or it was withdrawn. Ask whoever sent it to you for a new one.", "链接已超过有效期或已被撤销，请向发送者索取新链接。"],
  joinUsed: ["This link was used", "此链接已被使用"],
  joinUsedHint: ["It let in as many people as it was made for. Ask for a new one, or sign in if you have an account.", "可使用次数已用完。请索取新链接；若已有账号，请登录。"],
  joinRevoked: ["This link was withdrawn", "此链接已被撤销"],
  joinRevokedHint: ["Whoever made it took it back. Ask for a new one.", "创建者已将其撤销，请索取新链接。"],
  resetTitle: ["Set your password", "设置密码"],
  resetHint: ["For your account at {organisation}", "你在 {organisation} 的账号"],
  resetSave: ["Save and sign in", "保存并登录"],
  resetNote: ["Your old password no longer works after this.", "保存后旧密码将失效。"],
  replaces: ["You are signed in here as {name}. That sign-in ends in this browser.", "你当前以 {name} 的身份登录，继续后将在此浏览器中退出。"],
  demoTitle: ["Demonstration", "演示"],
  demoNone: ["No demonstration here", "此处没有演示"],
  demoNoneHint: ["This server is no demonstration, or it is not asked from its own computer.", "此服务器不是演示环境，或你并非在其所在的电脑上访问。"],
  demoHint: ["This is a demonstration. Look around as one of its people:", "这是演示环境，可以以下列身份体验："],
  demoAs: ["Enter as {name}", "以 {name} 的身份进入"],
  demoAdmin: ["Administrator: sees the administration too", "管理员，可查看管理后台"],
  demoMember: ["Member", "成员"],
  changePassword: ["Change password", "修改密码"],
  oldPassword: ["Present password", "当前密码"],
  changeHint: ["Your other devices stay signed in.", "其他设备将保持登录。"],
  change: ["Change", "修改"],
  changed: ["Your password was changed.", "密码已修改。"],
  close: ["Close", "关闭"],
  faultOldPassword: ["The present password is not right.", "当前密码不正确。"],
  faultNameTaken: ["This login name is taken. Choose another.", "此登录名已被占用，请换一个。"],
  faultPassword: ["This password is too easy to guess. Choose a longer one.", "密码过于简单，请选择更长的密码。"],
  faultBody: ["Something in the form is not accepted. Check it and try again.", "表单内容未被接受，请检查后重试。"],
  faultBusy: ["Too many tries. Wait a moment and try again.", "尝试过于频繁，请稍后再试。"],
  faultBusyFor: ["Too many tries. Try again in {n} s.", "尝试过于频繁，请在 {n} 秒后重试。"],
  faultUnreachable: ["The server cannot be reached.", "无法连接到服务器。"],
  faultOther: ["Something went wrong ({code}). Try again.", "出了点问题（{code}），请重试。"],
} as const satisfies Dictionary;

/** Name of a text. */
export type FirstWord = keyof typeof firstWords;

/** Speaks the language in force. */
export function useFirstWords(): (word: FirstWord, places?: Places) => string {
  const language = useLanguage();
  return useCallback((word, places) => sayFrom(firstWords, language, word, places), [language]);
}
