import { headers } from '@/api/client'
import { platform } from '@/platform'

// #ifdef MP-WEIXIN
/** Not among the types of @dcloudio (developers.weixin.qq.com, wx.shareFileMessage). */
declare const wx: {
  shareFileMessage(options: {
    filePath: string
    fileName: string
    success(): void
    fail(error: unknown): void
  }): void
}
// #endif

/** Fetches a zip file with the customer's identity and hands it to them: saved, or shared on. */
export function saveZip(path: string, name: string): Promise<void> {
  const url = platform.apiHost() + path
  // #ifdef H5
  return window.fetch(url, { headers: headers() }).then(async (answer) => {
    if (!answer.ok) throw new Error(String(answer.status))
    const link = document.createElement('a')
    link.href = URL.createObjectURL(await answer.blob())
    link.download = name
    link.click()
    URL.revokeObjectURL(link.href)
  })
  // #endif
  // #ifdef MP-WEIXIN
  return new Promise((resolve, reject) =>
    uni.downloadFile({
      url,
      header: headers(),
      success: ({ statusCode, tempFilePath }) =>
        statusCode === 200
          ? wx.shareFileMessage({
              filePath: tempFilePath,
              fileName: name,
              success: () => resolve(),
              fail: reject,
            })
          : reject(new Error(String(statusCode))),
      fail: reject,
    }),
  )
  // #endif
}
