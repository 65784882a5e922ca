/**
 * Whoever reads what this process prints may go (a closed terminal, `| head`): what is printed then is lost, and that
 * is all. Unhandled, the first such line would be an exception, and telling of that another one.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
}
