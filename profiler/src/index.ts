export { PROFILE_CONFIG } from './config';
