//! The pages behind a link: `/setup` and `/join`.

import "./first-run.css";

import { Join } from "./join.js";
import { Setup } from "./setup.js";

export default function FirstRun({ page }: { readonly page: "setup" | "join" }) {
  return page === "setup" ? <Setup /> : <Join />;
}
