//! Which part of the client an address shows. Each is loaded when it is needed.

import { Component, lazy, type ReactNode, Suspense } from "react";
import { useWords } from "./hooks.js";

const Chat = lazy(() => import("./app.js").then(({ App }) => ({ default: App })));
const FirstRun = lazy(() => import("./first-run/first-run.js"));
const Admin = lazy(() => import("./admin/admin.js"));

/** The part at `path`; every address that is not known is the chat. */
function Part({ path }: { readonly path: string }) {
  switch (path.replace(/\/+$/, "")) {
    case "/setup":
      return <FirstRun page="setup" />;
    case "/join":
      return <FirstRun page="join" />;
    case "/demo":
      return <FirstRun page="demo" />;
    case "/admin":
      return <Admin />;
    default:
      return <Chat />;
  }
}

export function Pages({ path }: { readonly path: string }) {
  return (
    <Shelter>
      <Suspense>
        <Part path={path} />
      </Suspense>
    </Shelter>
  );
}

/** Shown when a part cannot be loaded, for instance because the server holds a newer client. */
class Shelter extends Component<{ readonly children: ReactNode }, { readonly hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    return this.state.hasFailed ? <Failed /> : this.props.children;
  }
}

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
