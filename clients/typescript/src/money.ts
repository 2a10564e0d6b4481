const WIRE = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]{1,4}))?$/
const PLACES = 4
const UNIT = 10_000n

/**
 * An exact amount with up to four decimal places, as the backend reckons. Never a float: `0.1 + 0.2` is `0.3` here.
 *
 * ```ts
 * Money.of('12.50').minus('0.005').toString() // '12.495'
 * Money.parse('1,5')?.format({ currency: 'EUR', locale: 'fr' }) // '1,50 €'
 * ```
 */
export class Money {
  private constructor(private readonly units: bigint) {}

  /**
   * The amount of a decimal string as the API has it.
   *
   * @throws RangeError where it is none.
   */
  static of(amount: string | Money): Money {
    if (amount instanceof Money) return amount
    const match = WIRE.exec(amount)
    if (match === null) throw new RangeError(`not an amount of money: ${JSON.stringify(amount)}`)
    const [, sign, whole = '', fraction = ''] = match
    const units = BigInt(whole) * UNIT + BigInt(fraction.padEnd(PLACES, '0'))
    return new Money(sign === '-' ? -units : units)
  }

  /**
   * What somebody typed, with a point or a comma before the decimals and blanks around or between groups of three; null
   * where it is no amount. A comma or a point that could stand before thousands (`1,000`) is none: it is not guessed.
   */
  static parse(typed: string): Money | null {
    const match = /^(\d{1,3}(?:[\s'’]\d{3})+|\d+)(?:[.,](\d{1,4}))?$/.exec(typed.trim())
    if (match === null) return null
    const [, whole = '', fraction = '0'] = match
    const digits = whole.replace(/\D/g, '').replace(/^0+(?=\d)/, '')
    const couldBeGrouped = fraction.length === 3 && digits !== '0'
    return couldBeGrouped ? null : Money.of(`${digits}.${fraction}`)
  }

  /** The sum of amounts. */
  static sum(amounts: Iterable<string | Money>): Money {
    let total = new Money(0n)
    for (const amount of amounts) total = total.plus(amount)
    return total
  }

  plus(other: string | Money): Money {
    return new Money(this.units + Money.of(other).units)
  }

  minus(other: string | Money): Money {
    return new Money(this.units - Money.of(other).units)
  }

  negated(): Money {
    return new Money(-this.units)
  }

  /** Below zero, zero or above zero, as this amount is less than, equal to or more than the other. */
  compare(other: string | Money): number {
    const { units } = Money.of(other)
    return this.units < units ? -1 : this.units > units ? 1 : 0
  }

  /** As the API has it: at least two places, at most four, no zero beyond the second. */
  toString(): string {
    const digits = (this.units < 0n ? -this.units : this.units).toString().padStart(PLACES + 1, '0')
    const fraction = digits.slice(-PLACES).replace(/0{1,2}$/, '')
    return `${this.units < 0n ? '-' : ''}${digits.slice(0, -PLACES)}.${fraction}`
  }

  toJSON(): string {
    return this.toString()
  }

  /** For people: in the style of the locale (by default the device's), with the currency (ISO 4217) where it is given. */
  format(options: { currency?: string; locale?: string } = {}): string {
    const { currency, locale } = options
    const digits = { minimumFractionDigits: 2, maximumFractionDigits: PLACES }
    const style = currency === undefined ? digits : { ...digits, style: 'currency' as const, currency }
    // Intl takes a decimal string as it is (ECMA-402, edition 10); older engines make a double of it, which is exact to
    // 15 digits and so to all that a balance has.
    return new Intl.NumberFormat(locale, style).format(this.toString() as unknown as number)
  }
}
