//! Language below the card: whoever is invited has not chosen one yet.

import { useLanguage } from "../hooks.js";
import { chosenLanguage } from "../preferences.js";

export function LanguageChoice() {
  const language = useLanguage();
  const other = language === "zh" ? "en" : "zh";
  return (
    <button type="button" className="door-language" lang={other === "zh" ? "zh-CN" : "en"} onClick={() => chosenLanguage.set(other)}>
      {other === "zh" ? "中文" : "English"}
    </button>
  );
}
