/** The shop as a program: `millrace run test/support/shop/app.ts`, with the prefix of its topics in the environment. */
import { shopTopology } from './topology.ts'

export default shopTopology(process.env.SHOP_PREFIX ?? '')
