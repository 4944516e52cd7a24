/** The oldest Node that Millrace runs on, as `engines` of package.json has it. */
export const oldestNode = '22.22'

/** What to say to somebody with an older Node, undefined to everybody else. */
export function needsNewerNode(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor = 0, oldestMinor = 0] = oldestNode.split('.').map(Number)
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined
  return `millrace needs Node ${oldestNode} or newer, and this is Node ${version}. Install a newer one (https://nodejs.org).`
}
