// The package's types, for its build in modern syntax: what `workbox-window` itself leads bundlers to is written for
// browsers without service workers in mind (ES5), and takes twice the bytes.
declare module 'workbox-window/build/workbox-window.prod.mjs' {
  export { Workbox } from 'workbox-window';
}
