//! Words of an open chat.

import type { Texts } from "./texts.js";

export const chatWords = {
  messagesOf: ["Messages of {name}", "{name} 的消息"],
  newMessageOne: ["1 new message", "1 条新消息"],
  newMessageCount: ["{n} new messages", "{n} 条新消息"],
  announcedCount: ["{n} new messages in {name}", "{name} 有 {n} 条新消息"],
  person: ["Person", "用户"],
  sendMessage: ["Send a message", "发消息"],
  aboutPerson: ["About {name}", "{name} 的资料"],
  showInChat: ["Show in the chat", "在聊天中查看"],
  threadLooking: ["Looking for more replies…", "正在查找更多回复…"],
  threadLookedTo: ["Looked through to {when}. There may be more replies.", "已查找至 {when}，之后可能还有回复。"],
  threadFurther: ["Look further", "继续查找"],
  threadFailed: ["More replies cannot be looked for right now.", "暂时无法查找更多回复。"],
  threadEmpty: ["No replies yet", "还没有回复"],
  threadRootGone: ["The first message of this thread is not visible to you.", "你无法查看此话题的首条消息。"],
  showMore: ["Show more", "展开"],
  showLess: ["Show less", "收起"],
  unknownKind: ["This kind of message is not shown here.", "此处无法显示该类型的消息。"],
  membersLoading: ["Loading members…", "正在加载成员…"],
  searchMembers: ["Search members", "搜索成员"],
  draft: ["Draft:", "草稿："],
  tooLong: ["{n} characters too many", "超出 {n} 个字符"],
  charactersLeft: ["{n} characters left", "还可输入 {n} 个字符"],
} as const satisfies Texts;
