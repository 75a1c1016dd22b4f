//! Words of an open chat.

import type { Texts } from "./texts.js";

export const chatWords = {
  messagesOf: ["Messages of {name}", "{name} 的消息"],
  newMessageOne: ["1 new message", "1 条新消息"],
  newMessageCount: ["{n} new messages", "{n} 条新消息"],
  announcedCount: ["{n} new messages in {name}", "{name} 有 {n} 条新消息"],
  showMore: ["Show more", "展开"],
  showLess: ["Show less", "收起"],
  unknownKind: ["This kind of message is not shown here.", "此处无法显示该类型的消息。"],
  membersLoading: ["Loading members…", "正在加载成员…"],
  searchMembers: ["Search members", "搜索成员"],
  draft: ["Draft:", "草稿："],
  tooLong: ["{n} characters too many", "超出 {n} 个字符"],
  charactersLeft: ["{n} characters left", "还可输入 {n} 个字符"],
} as const satisfies Texts;
