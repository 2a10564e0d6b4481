import { useRef, useState } from 'preact/hooks'
import { useSpeech } from './words'

/** Only what plays: an author's address is never a link that runs. */
const PLAYABLE = /^(https?:\/\/|data:(audio|video)\/|\/)/i

/** What a post carries, to be seen or heard. */
export function Media({ url, kind, title }: { url: string | null; kind: string; title: string }) {
  if (!url || !PLAYABLE.test(url)) return null
  return kind === 'video' ? (
    // biome-ignore lint/a11y/useMediaCaption: a learner's own recording has no captions
    <video controls preload="metadata" src={url} aria-label={title} />
  ) : (
    // biome-ignore lint/a11y/useMediaCaption: a learner's own recording has no captions
    <audio controls preload="metadata" src={url} aria-label={title} />
  )
}

/** Records a voice into a `data:` address: the local system has no Storage. Nothing where the browser can't. */
export function Recorder({ recorded }: { recorded(url: string): void }) {
  const { words } = useSpeech()
  const [recording, setRecording] = useState(false)
  const recorder = useRef<MediaRecorder | null>(null)
  // A browser lends the microphone to https and to this machine only.
  if (!navigator.mediaDevices || typeof MediaRecorder === 'undefined') return null

  async function start() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => null)
    if (!stream) return
    const made = new MediaRecorder(stream, { audioBitsPerSecond: 16_000 })
    const chunks: Blob[] = []
    made.ondataavailable = ({ data }) => chunks.push(data)
    made.onstop = () => {
      for (const track of stream.getTracks()) track.stop()
      const reader = new FileReader()
      reader.onload = () => recorded(String(reader.result))
      reader.readAsDataURL(new Blob(chunks, { type: made.mimeType.split(';')[0] ?? 'audio/webm' }))
      setRecording(false)
    }
    made.start()
    recorder.current = made
    setRecording(true)
  }
  return (
    <button
      type="button"
      class="quiet"
      aria-pressed={recording}
      onClick={() => (recording ? recorder.current?.stop() : void start())}
    >
      {recording ? words.stop : words.record}
    </button>
  )
}
