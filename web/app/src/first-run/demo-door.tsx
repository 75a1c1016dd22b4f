//! The way into a demonstration: one click, no password. A server that offers none shows nothing here.

import "./first-run.css";

import type { Session } from "@tenon/client";
import { useState } from "react";
import { Avatar } from "../views/avatar.js";
import { Icon } from "../views/icon.js";
import { type DemoPerson, enterDemo, readDemo } from "./api.js";
import { type Fault, faultOf } from "./ask.js";
import { wordOfFault } from "./faults.js";
import { useLoad } from "./use-load.js";
import { useFirstWords } from "./words.js";

export default function DemoDoor({ onSession }: { readonly onSession: (session: Session) => void }) {
  const words = useFirstWords();
  const demo = useLoad(readDemo);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault>();
  if (demo.value === undefined) return null;
  const enter = async (person: DemoPerson) => {
    setBusy(true);
    setFault(undefined);
    try {
      onSession(await enterDemo(person.who));
    } catch (error) {
      setFault(faultOf(error));
      setBusy(false);
    }
  };
  return (
    <section className="demo-door" aria-label={words("demoTitle")}>
      <p>{words("demoHint")}</p>
      {demo.value.people.map((person, at) => (
        <button key={person.who} type="button" className="demo-person" disabled={isBusy} onClick={() => void enter(person)}>
          <Avatar id={BigInt(at + 1)} name={person.display_name} size={40} />
          <span>
            <strong>{words("demoAs", { name: person.display_name })}</strong>
            <small>{words(person.who === "admin" ? "demoAdmin" : "demoMember")}</small>
          </span>
          <Icon name="back" size={20} />
        </button>
      ))}
      {fault && (
        <p className="door-fault" role="alert">
          {words(wordOfFault(fault), { code: fault.code })}
        </p>
      )}
      <p className="demo-source">{demo.value.source}</p>
    </section>
  );
}
