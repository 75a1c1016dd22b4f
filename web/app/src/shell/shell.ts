//! The app as something installed: its service worker, a new version of it, the browser's offer to install it.

import { Value } from "@tenon/client";

/** A new version is there and waits. */
export const isUpdateReady = new Value(false);

/** The browser offers to install the app. */
export interface InstallOffer extends Event {
  prompt(): Promise<void>;
}

/** The offer, as long as it stands. */
export const installOffer = new Value<InstallOffer | undefined>(undefined);

/** Looked for at most this often while the app stays open, milliseconds. */
const LOOK_MS = 60 * 60_000;

/** Begins to keep the app on this device; does nothing where the browser cannot. */
export function keepShell(): void {
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    installOffer.set(event as InstallOffer);
  });
  addEventListener("appinstalled", () => installOffer.set(undefined));
  if (!("serviceWorker" in navigator) || !window.isSecureContext) return;
  addEventListener("load", () => void register().catch(() => undefined));
}

async function register(): Promise<void> {
  const registration = await navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" });
  const look = () => isUpdateReady.set(registration.waiting !== null && navigator.serviceWorker.controller !== null);
  look();
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
  setInterval(() => void registration.update().catch(() => undefined), LOOK_MS);
}

/** Loads the page anew with the newest version that can be had. */
export async function reloadFresh(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration().catch(() => undefined);
  await registration?.update().catch(() => undefined);
  const waiting = registration?.waiting;
  if (!waiting) {
    // A worker that serves an old version and finds no new one is in the way.
    if (!isUpdateReady.get()) await registration?.unregister().catch(() => undefined);
    return location.reload();
  }
  navigator.serviceWorker.addEventListener("controllerchange", () => location.reload(), { once: true });
  waiting.postMessage("take over");
}
