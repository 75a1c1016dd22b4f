//! Which part of the client an address shows. Each is loaded when it is needed.

import { Component, type ReactElement, type ReactNode } from "react";
import { useWords } from "./hooks.js";

/** The part at `path`; every address that is not known is the chat. */
async function partOf(path: string): Promise<ReactElement> {
  const name = path.replace(/\/+$/, "").slice(1);
  switch (name) {
    case "setup":
    case "join":
    case "demo": {
      const { default: FirstRun } = await import("./first-run/first-run.js");
      return <FirstRun page={name} />;
    }
    case "admin": {
      const { default: Admin } = await import("./admin/admin.js");
      return <Admin />;
    }
    default: {
      const { App } = await import("./app.js");
      return <App />;
    }
  }
}

/** What is at `path`, loaded. It is waited for outside React, which would hold it back for 300 ms behind an empty page. */
export async function pageAt(path: string): Promise<ReactElement> {
  const part = await partOf(path).catch(() => <Failed />);
  return <Shelter>{part}</Shelter>;
}

/** Shows that a part failed. */
class Shelter extends Component<{ readonly children: ReactNode }, { readonly hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    return this.state.hasFailed ? <Failed /> : this.props.children;
  }
}

/** Shown when a part fails or cannot be loaded, for instance because the server holds a newer client. */
function Failed() {
  const words = useWords();
  return (
    <main className="door">
      <div className="door-card" role="alert">
        <h1>{words("appName")}</h1>
        <p className="door-hint">{words("somethingWrong")}</p>
        <button type="button" className="button is-main is-wide" onClick={() => location.reload()}>
          {words("reload")}
        </button>
      </div>
    </main>
  );
}
