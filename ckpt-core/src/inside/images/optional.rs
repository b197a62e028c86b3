//! Images that need not be there.

use criu_images::ImageError;

/// An image that older versions, or containers without such things, do not have.
pub(super) fn present(error: ImageError) -> Result<(), ImageError> {
    if let ImageError::Missing { .. } = error { Ok(()) } else { Err(error) }
}
