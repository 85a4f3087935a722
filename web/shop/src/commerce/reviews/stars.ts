/** An average in tenths as people read it: 45 is `4.5`. */
export const tenths = (value: number): string => `${Math.trunc(value / 10)}.${value % 10}`
