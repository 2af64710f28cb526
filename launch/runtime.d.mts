/** For the building of the image. */
export function runtime(): string;
