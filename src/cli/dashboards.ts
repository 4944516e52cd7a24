import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { StreamError, toStreamError } from '../errors.ts'
import { packageFolder } from '../package-folder.ts'

interface ExportOptions {
  readonly runbooks: string
  readonly force?: true
}

export function dashboardsCommand(): Command {
  return new Command('dashboards')
    .description('Write dashboards and alerts for the metrics of `run --port`.')
    .addCommand(exportDashboardsCommand())
}

function exportDashboardsCommand(): Command {
  return new Command('export')
    .description('Write dashboards for Grafana, alerts for Prometheus and a runbook for each alert.')
    .argument('<folder>', 'where to; made when it is missing')
    .option('--runbooks <url>', 'where your readers will find the runbooks; alerts link there', runbooksUrl, 'runbooks')
    .option('--force', 'write over files that differ')
    .action(exportDashboards)
}

/** Folders of the package, and what they are called where they are written. */
const folders = [
  ['deploy/grafana', 'grafana'],
  ['deploy/prometheus', 'prometheus'],
  ['docs/runbooks', 'runbooks'],
] as const
/** What the alerts of the package link to. */
const ownRunbooks = 'docs/runbooks'

async function exportDashboards(target: string, { runbooks, force }: ExportOptions): Promise<void> {
  const files = await shippedFiles(runbooks)
  try {
    const changed = await changedFiles(target, files)
    if (changed.length > 0 && !force)
      throw new StreamError('USAGE', `${changed.join(', ')}: there already, and different`, {
        fix: 'Give --force to write over what differs, or name another folder. Nothing was written.',
      })
    for (const [path, content] of files) {
      await mkdir(join(target, dirname(path)), { recursive: true })
      await writeFile(join(target, path), content)
    }
  } catch (error) {
    throw toStreamError(error, 'STATE_IO', `${target} cannot be written`)
  }
  const counts = folders.map(([, folder]) => `${files.filter(([path]) => path.startsWith(folder)).length} in ${folder}`)
  process.stdout.write(`wrote ${files.length} files to ${target}: ${counts.join(', ')}\n`)
}

/** Path below the target, and content. */
async function shippedFiles(runbooks: string): Promise<readonly (readonly [path: string, content: string])[]> {
  const groups = folders.map(async ([from, to]) => {
    const names = (await readdir(join(packageFolder, from))).toSorted()
    return Promise.all(
      names.map(async (name) => {
        const content = await readFile(join(packageFolder, from, name), 'utf8')
        return [join(to, name), content.replaceAll(`runbook_url: ${ownRunbooks}`, `runbook_url: ${runbooks}`)] as const
      }),
    )
  })
  return (await Promise.all(groups)).flat()
}

async function changedFiles(
  target: string,
  files: readonly (readonly [path: string, content: string])[],
): Promise<readonly string[]> {
  const changed: string[] = []
  for (const [path, content] of files) {
    const there = await readFile(join(target, path), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return content
      throw error
    })
    if (there !== content) changed.push(path)
  }
  return changed
}

/** Without the slash at its end. */
function runbooksUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new InvalidArgumentError('Give a URL, such as https://git.example.com/millrace/docs/runbooks.')
  return text.replace(/\/+$/, '')
}
