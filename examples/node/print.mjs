// What both clients do with a signal: one line on stdout, and an end after SIGCAST_STOP_AFTER of them, if that is set.

const stopAfter = Number(process.env.SIGCAST_STOP_AFTER ?? Infinity);
let printed = 0;

export function printSignal(signal) {
  const subject = signal.token?.symbol ?? signal.token?.address ?? signal.company?.name ?? "-";
  console.log(signal.id, signal.rank ?? "-", signal.rank_score ?? "-", signal.signal_type ?? "-", subject);
  printed += 1;
  if (printed >= stopAfter) process.exit(0);
}
