//! A page that says why there is nothing to fill in, and what to do instead.

import { type IconName, Icon } from "../views/icon.js";
import { Door } from "./door.js";
import { useFirstWords } from "./words.js";

export interface NoticeProps {
  readonly icon: IconName;
  readonly title: string;
  readonly text: string;
  /** Tries again; without it the way out is the app. */
  readonly onRetry?: () => void;
  /** Somebody is signed in here. */
  readonly isSignedIn: boolean;
}

export function Notice({ icon, title, text, onRetry, isSignedIn }: NoticeProps) {
  const words = useFirstWords();
  const picture = (
    <span className="door-sign">
      <Icon name={icon} size={34} />
    </span>
  );
  return (
    <Door title={title} hint={text} picture={picture}>
      {onRetry && (
        <button type="button" className="button is-main is-wide" onClick={onRetry}>
          {words("retry")}
        </button>
      )}
      <a className={`button is-wide${onRetry ? "" : " is-main"}`} href="/">
        {words(isSignedIn ? "toApp" : "toSignIn")}
      </a>
    </Door>
  );
}

/** Nothing is known yet. */
export function Waiting() {
  const words = useFirstWords();
  return (
    <main className="door">
      <p className="door-wait" role="status">
        <span className="spinner" />
        {words("loading")}
      </p>
    </main>
  );
}
