import { ApiError, headers } from '@/api/client'
import type { GiftVoice } from '@/api/types'
import { platform } from '@/platform'

/** A recording on the device: `src` can be played, `file` is what a browser uploads. */
export interface Recorded {
  src: string
  seconds: number
  file?: Blob
}
export interface Recorder {
  /** Ends the recording; null when nothing was heard. */
  stop(): Promise<Recorded | null>
}
export interface Player {
  stop(): void
}
const SECONDS = 60
const UPLOAD = '/shop/v1/gifts/voices'
const refused = (status: number, text: string): ApiError => {
  let message = ''
  try {
    message = JSON.parse(text).error.message
  } catch {
    // not an answer of the API
  }
  return new ApiError(status, status ? `http_${status}` : 'network', message)
}

let place: {
  /** Begins to record, at most a minute; null when there is no microphone, or not for us. */
  record(): Promise<Recorder | null>
  /** A recording made elsewhere, where there is no microphone; null when none was chosen. */
  choose(): Promise<Recorded | null>
  /** Keeps a recording for a gift. Raises ApiError. */
  upload(voice: Recorded): Promise<GiftVoice>
  /** Where a greeting can be played from: it is private, so no audio address reaches it. */
  fetch(path: string): Promise<string>
  play(src: string, ended: () => void): Player
}

// #ifdef H5
place = {
  async record() {
    if (!navigator.mediaDevices || typeof MediaRecorder === 'undefined') return null
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => null)
    if (!stream) return null
    const recorder = new MediaRecorder(stream, { audioBitsPerSecond: 32_000 })
    const parts: Blob[] = []
    const begun = Date.now()
    const ended = new Promise<void>((done) => (recorder.onstop = () => done()))
    recorder.ondataavailable = ({ data }) => void parts.push(data)
    recorder.start()
    const timer = setTimeout(
      () => recorder.state === 'recording' && recorder.stop(),
      SECONDS * 1000,
    )
    return {
      async stop() {
        clearTimeout(timer)
        if (recorder.state === 'recording') recorder.stop()
        await ended
        for (const track of stream.getTracks()) track.stop()
        const file = new Blob(parts, { type: recorder.mimeType })
        const seconds = Math.min(SECONDS, Math.round((Date.now() - begun) / 1000))
        return file.size ? { src: URL.createObjectURL(file), seconds, file } : null
      },
    }
  },
  choose: () =>
    new Promise((resolve) => {
      const input = document.createElement('input')
      Object.assign(input, { type: 'file', accept: 'audio/*' })
      input.onchange = () => {
        const file = input.files?.[0]
        resolve(file ? { src: URL.createObjectURL(file), seconds: 0, file } : null)
      }
      input.oncancel = () => resolve(null)
      input.click()
    }),
  async upload({ file }) {
    const body = new FormData()
    body.append('file', file!, 'voice')
    const answer = await fetch(UPLOAD, { method: 'POST', headers: headers(), body }).catch(() => {
      throw refused(0, '')
    })
    if (!answer.ok) throw refused(answer.status, await answer.text())
    return answer.json()
  },
  async fetch(path) {
    const answer = await fetch(path, { headers: headers() })
    if (!answer.ok) throw refused(answer.status, '')
    return URL.createObjectURL(await answer.blob())
  },
  play(src, ended) {
    const audio = new Audio(src)
    audio.onended = audio.onerror = ended
    audio.play().catch(ended)
    return { stop: () => audio.pause() }
  },
}
// #endif
// #ifdef MP-WEIXIN
place = {
  record: () =>
    new Promise((resolve) => {
      const recorder = uni.getRecorderManager()
      const heard = new Promise<Recorded | null>((done) => {
        recorder.onStop((answer) => {
          const { tempFilePath, duration = 0 } = answer as {
            tempFilePath: string
            duration?: number
          }
          done({ src: tempFilePath, seconds: Math.round(duration / 1000) })
        })
        recorder.onError(() => {
          done(null)
          resolve(null)
        })
      })
      recorder.onStart(() =>
        resolve({
          stop() {
            recorder.stop()
            return heard
          },
        }),
      )
      recorder.start({ duration: SECONDS * 1000, format: 'mp3', encodeBitRate: 48_000 })
    }),
  choose: () => Promise.resolve(null),
  upload: ({ src }) =>
    new Promise((resolve, reject) =>
      uni.uploadFile({
        url: platform.apiHost() + UPLOAD,
        filePath: src,
        name: 'file',
        header: headers(),
        success: ({ statusCode, data }) =>
          statusCode < 400 ? resolve(JSON.parse(data)) : reject(refused(statusCode, data)),
        fail: () => reject(refused(0, '')),
      }),
    ),
  fetch: (path) =>
    new Promise((resolve, reject) =>
      uni.downloadFile({
        url: platform.apiHost() + path,
        header: headers(),
        success: ({ statusCode, tempFilePath }) =>
          statusCode < 400 ? resolve(tempFilePath) : reject(refused(statusCode, '')),
        fail: () => reject(refused(0, '')),
      }),
    ),
  play(src, ended) {
    const audio = uni.createInnerAudioContext()
    audio.onEnded(ended)
    audio.onError(ended)
    audio.src = src
    audio.play()
    return { stop: () => audio.destroy() }
  },
}
// #endif

export const voices = place
