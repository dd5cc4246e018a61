// Why a server does not start.

/** A reason not to start, in sentences for the operator, one a line. */
export class StartError extends Error {}
