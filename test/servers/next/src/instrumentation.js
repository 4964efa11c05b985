// Next.js calls this once, before it takes requests, and builds it for other runtimes too, where no process leaves.
export async function register() {
  if (process.env.NEXT_RUNTIME === 'nodejs') {
    const { onOffline } = await import('lossless-lifecycle');
    onOffline('pool', async ({ drained }) => {
      await drained;
      console.log('pool closed');
    });
  }
}
