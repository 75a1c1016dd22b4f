//! Words of the app around the chats: storage, installation, notifications.

import type { Texts } from "./texts.js";

export const houseWords = {
  memoryOnly: ["This browser keeps no data for Tenon. Everything is read anew at each visit, and messages that are not sent yet are lost when you close the page.", "此浏览器不允许 Tenon 存储数据。每次打开都会重新读取，关闭页面会丢失尚未发送的消息。"],
  storageFull: ["This device has little room left. Free some space, or new messages may not be kept.", "此设备的存储空间不足。请清理空间，否则可能无法保存新消息。"],
  dismiss: ["Dismiss", "知道了"],
  updateReady: ["A new version is ready.", "新版本已就绪。"],
  searchResults: ["{n} results", "{n} 个结果"],
  unreadOnly: ["Unread", "未读"],
  allChats: ["All", "全部"],
  noUnread: ["All caught up", "没有未读消息"],
  clearSearch: ["Clear search", "清除搜索"],
  notifications: ["Notifications", "通知"],
  notificationsOn: ["On", "开启"],
  notificationsOff: ["Off", "关闭"],
  notificationsBlocked: ["Notifications are blocked in the settings of this browser.", "通知已在浏览器设置中被禁止。"],
  notifiedMessage: ["New message", "新消息"],
  install: ["Install the app", "安装应用"],
  skipToChat: ["Skip to the chat", "跳到聊天内容"],
} as const satisfies Texts;
