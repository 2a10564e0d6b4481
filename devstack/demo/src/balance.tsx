/** The balance; a new one is announced, and shown with a short movement for whoever likes movement. */
export function Balance({
  wallet,
}: {
  wallet: { balance: string; currency: string; version: number } | undefined
}) {
  return (
    <section class="card balance" aria-labelledby="balance-title">
      <h2 id="balance-title">Balance</h2>
      {wallet ? (
        <p aria-live="polite" data-testid="balance">
          <span class="amount" key={wallet.version}>
            {wallet.balance}
          </span>{' '}
          {wallet.currency}
        </p>
      ) : (
        <progress aria-label="Loading the balance" />
      )}
    </section>
  )
}
