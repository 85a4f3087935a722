import { ApiError, headers } from '@/api/client'
import type { Picture } from '@/api/types'
import { platform } from '@/platform'

/** A picture on the device: `src` can be shown, `file` is what a browser uploads. */
export interface Chosen {
  src: string
  file?: File
}
/** Evidence of a case, or a picture of a review: both are private until somebody decides. */
export type Lane = 'after-sale' | 'reviews'
const pathOf = (lane: Lane): string => `/shop/v1/${lane}/pictures`
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
  /** At most `count` pictures; none when the customer thinks better of it. */
  choose(count: number): Promise<Chosen[]>
  /** Keeps a picture. Raises ApiError. */
  upload(picture: Chosen, lane?: Lane): Promise<Picture>
  /** Where an own picture can be shown from: it is private, so no image address reaches it. */
  show(id: string, size: 200 | 1200, lane?: Lane): Promise<string>
}

// #ifdef H5
place = {
  choose: (count) =>
    new Promise((resolve) => {
      const input = document.createElement('input')
      Object.assign(input, { type: 'file', accept: 'image/*', multiple: count > 1 })
      input.onchange = () =>
        resolve(
          Array.from(input.files!)
            .slice(0, count)
            .map((file) => ({ src: URL.createObjectURL(file), file })),
        )
      input.oncancel = () => resolve([])
      input.click()
    }),
  async upload({ file }, lane = 'after-sale') {
    const body = new FormData()
    body.append('file', file!)
    const answer = await fetch(pathOf(lane), { method: 'POST', headers: headers(), body }).catch(
      () => {
        throw refused(0, '')
      },
    )
    if (!answer.ok) throw refused(answer.status, await answer.text())
    return answer.json()
  },
  async show(id, size, lane = 'after-sale') {
    const answer = await fetch(`${pathOf(lane)}/${id}?size=${size}`, { headers: headers() })
    if (!answer.ok) throw refused(answer.status, '')
    return URL.createObjectURL(await answer.blob())
  },
}
// #endif
// #ifdef MP-WEIXIN
place = {
  choose: (count) =>
    new Promise((resolve) =>
      uni.chooseMedia({
        count,
        mediaType: ['image'],
        sizeType: ['compressed'],
        success: ({ tempFiles }) => resolve(tempFiles.map((one) => ({ src: one.tempFilePath }))),
        fail: () => resolve([]),
      }),
    ),
  upload: ({ src }, lane = 'after-sale') =>
    new Promise((resolve, reject) =>
      uni.uploadFile({
        url: platform.apiHost() + pathOf(lane),
        filePath: src,
        name: 'file',
        header: headers(),
        success: ({ statusCode, data }) =>
          statusCode < 400 ? resolve(JSON.parse(data)) : reject(refused(statusCode, data)),
        fail: () => reject(refused(0, '')),
      }),
    ),
  show: (id, size, lane = 'after-sale') =>
    new Promise((resolve, reject) =>
      uni.downloadFile({
        url: `${platform.apiHost()}${pathOf(lane)}/${id}?size=${size}`,
        header: headers(),
        success: ({ statusCode, tempFilePath }) =>
          statusCode < 400 ? resolve(tempFilePath) : reject(refused(statusCode, '')),
        fail: () => reject(refused(0, '')),
      }),
    ),
}
// #endif

export const pictures = place
