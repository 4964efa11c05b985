/** How much of its own lateness a load makes up for, in milliseconds; after a longer stall the missed requests are left out. */
const MADE_UP_MS = 500;

/** Calls `send` so many times a second, however slow the answers are. @returns what ends it */
export function openLoop(perSecond: number, send: () => void): () => void {
  let from = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    from = Math.max(from, now - MADE_UP_MS - (sent / perSecond) * 1_000);
    const due = Math.floor(((now - from) / 1_000) * perSecond);
    for (; sent < due; sent++) send();
  }, 5);
  return () => clearInterval(timer);
}
