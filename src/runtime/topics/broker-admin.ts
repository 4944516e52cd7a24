import { StreamError } from '../../errors.ts'
import type { Broker, BrokerAdmin } from '../broker.ts'

/** Throws CONFIG_INVALID for a log that offers no administration. */
export function adminOf({ admin, name }: Broker): BrokerAdmin {
  if (admin) return admin
  throw new StreamError('CONFIG_INVALID', `${name} cannot be administered`, {
    fix: 'Delete its topics, records and groups by its own means.',
  })
}
