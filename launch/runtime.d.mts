/** Types for the build of the image. */
export function runtime(): string;
