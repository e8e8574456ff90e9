/** Names and numbers, aligned. */
export function table(figures: Readonly<Record<string, number>>): string {
  const width = Math.max(...Object.keys(figures).map((name) => name.length));
  return Object.entries(figures)
    .map(
      ([name, value]) =>
        `${name.replaceAll('_', ' ').padEnd(width)}  ${value.toLocaleString('en').padStart(9)}`,
    )
    .join('\n');
}
