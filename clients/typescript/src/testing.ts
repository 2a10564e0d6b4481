/** For the tests of an app: an answer of every route, every problem, handlers for msw, and a wallet that moves. */

export { type FakeWallet, type FakeWalletOptions, fakeWallet } from './testing/fake-wallet.js'
export {
  type AnswerOf,
  answerFixture,
  type MswLibrary,
  mswHandlers,
  mswProblem,
  problemFixture,
  type RouteName,
} from './testing/fixtures.js'
