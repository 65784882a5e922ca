/** Of this project: its packages have one version. */
export const VERSION = '0.1.0';
