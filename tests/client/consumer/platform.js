// What React Native lays over Hermes, from the packages that it uses itself: fetch's classes and AbortController.
// Its fetch, URL and TextEncoder are left out, as they are missing or half there in some versions.
globalThis.self = globalThis
globalThis.global = globalThis
globalThis.XMLHttpRequest = class {}
globalThis.URLSearchParams ??= class {}
globalThis.FormData ??= class FormData {}
globalThis.EventTarget ??= class EventTarget {}
globalThis.Event ??= class Event {}
globalThis.console = { error: print, log: print, warn: print, assert: function () {} }
// The shell's timers know no delay: whatever waits for a second or longer, a limit say, would be over at once. Here it never
// is. And unlike everybody's, its clearTimeout takes numbers alone.
var startTimer = globalThis.setTimeout
var clearTimer = globalThis.clearTimeout
globalThis.setTimeout = function (callback, delay) {
  return delay >= 1000 ? undefined : startTimer(callback, 0)
}
globalThis.clearTimeout = function (timer) {
  if (timer !== undefined) clearTimer(timer)
}
// Hermes has none; Babel's helpers, which Metro uses, do without, and TypeScript's, which this bundle uses, do not.
Symbol.asyncIterator ??= Symbol.for('Symbol.asyncIterator')
