//! A modal window: keeps the focus, closes by Escape and by a click beside it.

import { type ReactNode, useLayoutEffect, useRef } from "react";
import { Icon } from "./icon.js";

export interface DialogProps {
  readonly title: string;
  readonly closeLabel: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** Buttons below the content. */
  readonly footer?: ReactNode;
}

export function Dialog({ title, closeLabel, onClose, children, footer }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  // A layout effect ends before the window leaves the page: closing gives the focus back to what had it.
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    // A window that is not shown yet takes no focus, so `autoFocus` comes too early.
    dialog?.querySelector<HTMLElement>("[data-focus]")?.focus();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      className="dialog"
      aria-label={title}
      onCancel={(event) => {
        // A window above this one is inside it; its Escape is not ours.
        if (event.target !== ref.current) return;
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-box">
        <header className="dialog-head">
          <h2>{title}</h2>
          <button type="button" className="icon-button" aria-label={closeLabel} onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        <div className="dialog-body">{children}</div>
        {footer && <footer className="dialog-foot">{footer}</footer>}
      </div>
    </dialog>
  );
}

/** Asks before something that cannot be taken back; `isMild` if it harms nobody. */
export function Confirm(props: { readonly title: string; readonly text: string; readonly yes: string; readonly no: string; readonly isMild?: boolean; readonly onYes: () => void; readonly onNo: () => void }) {
  const footer = (
    <>
      <button type="button" className="button" onClick={props.onNo}>
        {props.no}
      </button>
      <button type="button" className={`button ${props.isMild ? "is-main" : "is-danger"}`} onClick={props.onYes} data-focus>
        {props.yes}
      </button>
    </>
  );
  return (
    <Dialog title={props.title} closeLabel={props.no} onClose={props.onNo} footer={footer}>
      <p>{props.text}</p>
    </Dialog>
  );
}
