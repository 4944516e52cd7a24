import { readFileSync } from 'node:fs'
import { Command } from 'commander'

export function versionCommand(): Command {
  return new Command('version').description('Print the version of Millrace and of Node.').action(() => {
    process.stdout.write(`millrace ${readVersion()} (node ${process.version})\n`)
  })
}

/** The version of the package: src/cli and dist/cli lie equally deep. */
export function readVersion(): string {
  const file = new URL('../../package.json', import.meta.url)
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
  return version
}
