import { expect, test } from 'vitest'
import { Money } from '../src/index.js'

test.each([
  ['12.5', '12.50'],
  ['0', '0.00'],
  ['0.005', '0.005'],
  ['-0.0001', '-0.0001'],
  ['7.1000', '7.10'],
  ['99999999.9999', '99999999.9999'],
])('%s is told as %s', (given, told) => {
  expect(Money.of(given).toString()).toBe(told)
  expect(JSON.stringify({ amount: Money.of(given) })).toBe(`{"amount":"${told}"}`)
})

test.each(['', '1.', '.5', '01', '1e3', 'NaN', '1.00001', ' 1', '1,5', '+1'])('%j is no amount', (given) => {
  expect(() => Money.of(given)).toThrow(RangeError)
})

test('sums are exact where floats are not', () => {
  expect(Money.of('0.1').plus('0.2').toString()).toBe('0.30')
  expect(Money.of('99999999.9999').minus('0.0001').toString()).toBe('99999999.9998')
  expect(Money.sum(Array.from({ length: 1_000 }, () => '0.005')).toString()).toBe('5.00')
})

test('adding and taking away again is nothing, for a thousand random amounts', () => {
  const random = () =>
    `${Math.floor(Math.random() * 1e8)}.${String(Math.floor(Math.random() * 1e4)).padStart(4, '0')}`
  for (let round = 0; round < 1_000; round++) {
    const [one, other] = [random(), random()]
    expect(Money.of(one).plus(other).minus(other).compare(one)).toBe(0)
    expect(Money.of(one).minus(other).toString()).toBe(Money.of(other).minus(one).negated().toString())
  }
})

test('amounts compare as numbers do', () => {
  const sorted = ['2.00', '-1', '10.00', '0.005']
    .map((amount) => Money.of(amount))
    .sort((a, b) => a.compare(b))
  expect(sorted.join(' ')).toBe('-1.00 0.005 2.00 10.00')
})

test.each([
  ['1,50', '1.50'],
  [' 12.5 ', '12.50'],
  ['1 234,5', '1234.50'],
  ["1'234.50", '1234.50'],
  ['007', '7.00'],
  ['0,005', '0.005'],
])('%j, as people type, is %s', (typed, amount) => {
  expect(Money.parse(typed)?.toString()).toBe(amount)
})

test.each(['', 'ten', '1,000', '1.000', '12,34,56', '-1', '1.', '1.23456', '1,5 €'])(
  '%j is not guessed at',
  (typed) => {
    expect(Money.parse(typed)).toBeNull()
  },
)

test('it is shown in the style of the locale, with all its places', () => {
  expect(Money.of('1234.5').format({ locale: 'en', currency: 'USD' })).toBe('$1,234.50')
  expect(Money.of('1234.5').format({ locale: 'fr', currency: 'EUR' }).replace(/\s/g, ' ')).toBe('1 234,50 €')
  expect(Money.of('-0.005').format({ locale: 'de' })).toBe('-0,005')
  expect(Money.of('99999999.9999').format({ locale: 'en' })).toBe('99,999,999.9999')
})
