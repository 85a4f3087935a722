/**
 * Where the mini program finds its shop. Written anew into the built `config.js` when a merchant
 * exports the program; H5 ignores it: there the API is the page's own origin and the shop stands in
 * the address (`?shop=CODE`).
 */
export const config = { apiHost: '', shopCode: '' }
