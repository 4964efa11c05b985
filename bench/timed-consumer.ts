/** Sends requests at a constant rate and reports how long each took: `timed-consumer.ts <rate>`. */
const [rate = '100'] = process.argv.slice(2);

let taken: number[] = [];
let failed = 0;

async function send(): Promise<void> {
  const begun = performance.now();
  try {
    const response = await fetch('http://provider/work', { method: 'POST', body: 'x' });
    await response.text();
    taken.push(performance.now() - begun);
  } catch {
    failed++;
  }
}

const begun = performance.now();
let sent = 0;
setInterval(() => {
  for (; sent < ((performance.now() - begun) / 1_000) * Number(rate); sent++) void send();
}, 5);
process.on('message', () => {
  process.send?.({ taken, failed });
  taken = [];
});
process.on('disconnect', () => process.exit());
