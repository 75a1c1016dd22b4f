//! `/demo#admin` and `/demo#member`, as a demonstration prints them: signs a visitor in and opens the chat.

import { useEffect, useRef, useState } from "react";
import { heldSession } from "../held-session.js";
import { type DemoPerson, enterDemo, readDemo } from "./api.js";
import { type Fault, faultOf } from "./ask.js";
import DemoDoor from "./demo-door.js";
import { Door } from "./door.js";
import { wordOfFault } from "./faults.js";
import { Notice, Waiting } from "./notice.js";
import { useNewLink, useTitle } from "./page.js";
import { takeSession } from "./session.js";
import { useLoad } from "./use-load.js";
import { useFirstWords } from "./words.js";

/** The person that a hash names. */
export const personOf = (people: readonly DemoPerson[], hash: string): DemoPerson | undefined => people.find((person) => `#${person.who}` === hash);

export function Demo() {
  const words = useFirstWords();
  const demo = useLoad(readDemo);
  const [fault, setFault] = useState<Fault>();
  const isEntering = useRef(false);
  useNewLink();
  useTitle(words("demoTitle"));
  const person = demo.value && personOf(demo.value.people, location.hash);
  useEffect(() => {
    if (person === undefined || isEntering.current) return;
    isEntering.current = true;
    enter(person).catch((error: unknown) => setFault(faultOf(error)));
  }, [person]);
  const found = fault ?? demo.fault;
  if (found?.code === "absent") return <Notice icon="info" title={words("demoNone")} text={words("demoNoneHint")} isSignedIn={heldSession() !== undefined} />;
  if (found) return <Notice icon="warn" title={words("demoTitle")} text={words(wordOfFault(found), { code: found.code })} onRetry={() => location.reload()} isSignedIn={false} />;
  if (demo.value === undefined || person) return <Waiting />;
  return (
    <Door title={words("demoTitle")}>
      <DemoDoor onSession={(session) => void takeSession(session).then(() => location.replace("/"))} />
    </Door>
  );
}

/** Signs in, unless this browser is signed in as that person already. */
async function enter(person: DemoPerson): Promise<void> {
  if (heldSession()?.name !== person.name) await takeSession(await enterDemo(person.who));
  location.replace("/");
}
