/** How many milliseconds of a processor this process takes for something, however busy the machine is with others. */
export async function effortOf(act: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
