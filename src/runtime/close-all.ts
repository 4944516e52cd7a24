/** Runs every step in order, also after one has failed; then throws the first failure. For closing what must not stay half open. */
export async function closeAll(steps: Iterable<() => void | Promise<void>>): Promise<void> {
  const failures: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}
