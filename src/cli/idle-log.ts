import type { Broker } from '../runtime/broker.ts'
import { requireCard, workspaceAt } from './workspace.ts'
import { lockWorkspace } from './workspace-claim.ts'
import { openFilledLog } from './workspace-log.ts'

/** The log of a workspace in which nothing runs. */
export interface IdleLog extends AsyncDisposable {
  readonly broker: Broker
}

/**
 * Takes the workspace for as long as the log is open. Throws INDEX_MISSING with this `fix`, STATE_LOCKED while another process works in
 * the folder, and as `openFilledLog` does.
 */
export async function openIdleLog(data: string, fix?: string): Promise<IdleLog> {
  await requireCard(data, fix)
  const lock = await lockWorkspace(data, 'Stop it, then run the command again.')
  try {
    const broker = await openFilledLog(workspaceAt(data))
    const close = async () => {
      await broker.close()
      await lock.close()
    }
    return { broker, [Symbol.asyncDispose]: close }
  } catch (error) {
    await lock.close()
    throw error
  }
}
