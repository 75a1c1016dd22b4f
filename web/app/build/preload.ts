//! The page names the files of the chat, which most addresses show, so that they come together with the first script.

import type { Plugin } from "vite";

export const preload: Plugin = {
  name: "preload",
  transformIndexHtml: {
    order: "post",
    handler(_, { bundle = {} }) {
      const chunks = Object.values(bundle).filter((file) => file.type === "chunk");
      const chat = chunks.find((chunk) => chunk.facadeModuleId?.endsWith("/src/app.tsx"));
      const entry = chunks.find((chunk) => chunk.isEntry);
      const files = chat === undefined ? [] : [chat.fileName, ...chat.imports].filter((file) => file !== entry?.fileName);
      return files.map((file) => ({ tag: "link", attrs: { rel: "modulepreload", crossorigin: true, href: `/${file}` }, injectTo: "head" as const }));
    },
  },
};
