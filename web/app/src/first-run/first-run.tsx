//! The pages behind a link: `/setup`, `/join` and `/demo`.

import "./first-run.css";

import { Demo } from "./demo.js";
import { Join } from "./join.js";
import { Setup } from "./setup.js";

export default function FirstRun({ page }: { readonly page: "setup" | "join" | "demo" }) {
  switch (page) {
    case "setup":
      return <Setup />;
    case "join":
      return <Join />;
    case "demo":
      return <Demo />;
  }
}
