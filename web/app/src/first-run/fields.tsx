//! Fields of the forms: what is wrong is said below the field, once it was left or the form was sent.

import { type HTMLInputAutoCompleteAttribute, useId, useState } from "react";
import { Icon } from "../views/icon.js";
import { PASSWORD_CHARS_MIN, strengthOf } from "./checks.js";
import { type FirstWord, useFirstWords } from "./words.js";

export interface TextFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly hint?: string;
  readonly placeholder?: string;
  readonly autoComplete?: HTMLInputAutoCompleteAttribute;
  /** What is wrong with the value. */
  readonly fault: FirstWord | undefined;
  /** The form was sent: say what is wrong. */
  readonly isTried: boolean;
  readonly isFirst?: boolean;
  /** A name for machines: no capitals are suggested, no spelling checked. */
  readonly isCode?: boolean;
}

export function TextField(props: TextFieldProps) {
  const words = useFirstWords();
  const note = useId();
  const [wasLeft, setLeft] = useState(false);
  const fault = props.isTried || (wasLeft && props.value !== "") ? props.fault : undefined;
  return (
    <div className="field">
      <label className="field">
        <span>{props.label}</span>
        <input
          value={props.value}
          onChange={(event) => props.onChange(event.target.value)}
          onBlur={() => setLeft(true)}
          placeholder={props.placeholder}
          autoComplete={props.autoComplete}
          autoCapitalize={props.isCode ? "none" : "words"}
          spellCheck={false}
          autoFocus={props.isFirst}
          data-focus={props.isFirst || undefined}
          aria-required
          aria-invalid={fault !== undefined}
          aria-describedby={note}
        />
      </label>
      <small id={note} className={fault ? "is-fault" : ""}>
        {fault ? words(fault) : props.hint}
      </small>
    </div>
  );
}

export interface PasswordFieldProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** Names that make a password easy to guess. */
  readonly known: readonly string[];
  readonly isTried: boolean;
  readonly isFirst?: boolean;
}

export function PasswordField(props: PasswordFieldProps) {
  const words = useFirstWords();
  const note = useId();
  const [isShown, setShown] = useState(false);
  const strength = strengthOf(props.value, props.known);
  const left = PASSWORD_CHARS_MIN - [...props.value].length;
  const hint = () => {
    if (props.value === "") return words(props.isTried ? "passwordShort" : "strength0");
    if (left > 0) return left === 1 ? words("strengthLeftOne") : words("strengthLeft", { n: left });
    return words(`strength${strength}`);
  };
  return (
    <div className="field">
      <label className="field">
        <span>{props.label}</span>
        <span className="field-with">
          <input
            type={isShown ? "text" : "password"}
            value={props.value}
            onChange={(event) => props.onChange(event.target.value)}
            autoComplete="new-password"
            autoFocus={props.isFirst}
            data-focus={props.isFirst || undefined}
            aria-required
            aria-invalid={props.isTried && left > 0}
            aria-describedby={note}
          />
          <button type="button" className="icon-button" aria-label={words("showPassword")} aria-pressed={isShown} onClick={() => setShown(!isShown)}>
            <Icon name={isShown ? "eyeOff" : "eye"} />
          </button>
        </span>
      </label>
      <span className={`strength is-${strength}`} aria-hidden="true">
        <i />
        <i />
        <i />
        <i />
      </span>
      <small id={note} aria-live="polite" className={props.isTried && left > 0 ? "is-fault" : ""}>
        {hint()}
      </small>
    </div>
  );
}
