//! Words of the keyboard.

import type { Texts } from "./texts.js";

export const keyWords = {
  shortcuts: ["Keyboard shortcuts", "键盘快捷键"],
  keysAnywhere: ["Anywhere", "任意位置"],
  keysList: ["In the chat list", "聊天列表"],
  keysChat: ["In a chat", "聊天中"],
  keysWriting: ["While writing", "输入时"],
  keySearch: ["Search chats", "搜索聊天"],
  keyNextChat: ["Next or previous chat", "下一个或上一个聊天"],
  keyNextUnread: ["Next unread chat", "下一个未读聊天"],
  keyNewChat: ["New chat", "发起聊天"],
  keyNewGroup: ["New group", "新建群组"],
  keyDetails: ["Details of the chat", "聊天详情"],
  keyHelp: ["This list", "显示此列表"],
  keyClose: ["Close what is open, then go back", "关闭当前窗口或返回"],
  keyMove: ["Move", "移动"],
  keyEnds: ["First or last", "第一个或最后一个"],
  keyOpen: ["Open", "打开"],
  keyWalk: ["From message to message", "在消息之间移动"],
  keyReply: ["Reply to the message", "回复该消息"],
  keyThread: ["Open its thread", "打开话题"],
  keyCopy: ["Copy its text", "复制文字"],
  keyEnd: ["To the newest message", "跳到最新消息"],
  keySend: ["Send", "发送"],
  keyLine: ["New line", "换行"],
  keyLastMessage: ["To the messages, if nothing is written", "未输入时转到消息"],
  keyMention: ["Name somebody", "提及某人"],
} as const satisfies Texts;
