/** For `thread.kernel.test.ts`: binds a function of the C library a number of times per order, and tells how often in all. */
import koffi from "koffi";
import { report, takeOrders } from "./thread.ts";

const library = koffi.load(null);
let bound = 0;
takeOrders<number>((times) => {
  // The binding is where Node.js aborts when the thread is terminated; a plain call mostly survives it.
  for (let i = 0; i < times; i++) library.func("int clock_gettime(int clock, void *timespec)");
  bound += times;
  report(bound);
});
