//! The shape of a list of texts.

/** Texts by name: English, then Chinese. */
export type Texts = Readonly<Record<string, readonly [en: string, zh: string]>>;
