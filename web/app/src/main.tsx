import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { pageAt } from "./pages.js";
import { applyPreferences } from "./preferences.js";
import { keepShell } from "./shell/shell.js";
import "./styles/base.css";
import "./styles/controls.css";
import "./styles/sidebar.css";
import "./styles/chat.css";
import "./styles/composer.css";
import "./styles/house.css";
import "./styles/markdown.css";
import "./styles/panels.css";

applyPreferences();
if (import.meta.env.PROD) keepShell();
const root = document.getElementById("root");
if (root) void pageAt(location.pathname).then((page) => createRoot(root).render(<StrictMode>{page}</StrictMode>));
