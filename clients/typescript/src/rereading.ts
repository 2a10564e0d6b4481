const WHILE_LIVE = 60_000
const OTHERWISE = 30_000
const AFTER_FAILURE = 10_000

/**
 * Reads again and again: every minute while events arrive, for nobody can promise that each of them does; every half a
 * minute while they don't; sooner after a failure. However many ask, one read is under way.
 */
export class Rereading {
  private running: Promise<void> | null = null
  private following: Promise<void> | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private isActive = false

  /**
   * @param read reads once, and says whether it succeeded; it never rejects.
   * @param isLive whether events arrive.
   */
  constructor(
    private readonly read: () => Promise<boolean>,
    private readonly isLive: () => boolean,
  ) {}

  /** Begin, with a read at once. */
  start(): void {
    this.isActive = true
    void this.now()
  }

  /** End; a read that is under way ends by itself. */
  stop(): void {
    this.isActive = false
    clearTimeout(this.timer)
  }

  /** Read now. What is under way may have been answered before this was asked for, so it does not count. */
  now(): Promise<void> {
    if (!this.isActive) return Promise.resolve()
    if (this.running === null) {
      this.running = this.run()
      return this.running
    }
    this.following ??= this.running.then(() => {
      this.following = null
      return this.now()
    })
    return this.following
  }

  private async run(): Promise<void> {
    clearTimeout(this.timer)
    const succeeded = await this.read()
    this.running = null
    clearTimeout(this.timer)
    if (!this.isActive) return
    const usual = this.isLive() ? WHILE_LIVE : OTHERWISE
    this.timer = setTimeout(() => void this.now(), succeeded ? usual : Math.min(usual, AFTER_FAILURE))
  }
}
