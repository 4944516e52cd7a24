import { Command } from 'commander'
import { readVersion } from '../version.ts'

export function versionCommand(): Command {
  return new Command('version').description('Print the version of Millrace and of Node.').action(() => {
    process.stdout.write(`millrace ${readVersion()} (node ${process.version})\n`)
  })
}
